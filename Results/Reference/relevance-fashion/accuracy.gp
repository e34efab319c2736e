set terminal svg size 720,722 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 86.79 0.3911734287118832
24.0 81.91 0.5912589623808814
EOD
$line1 << EOD
12.0 86.87 0.5915848146857954
24.0 81.16 1.367522528011912
EOD
$line2 << EOD
12.0 86.79 0.3911734287118832
24.0 81.91 0.5912589623808814
EOD
$line3 << EOD
12.0 86.56 0.4876594846551773
24.0 76.96 8.854248423682286
EOD
$line4 << EOD
12.0 86.95 0.5175669018790149
24.0 82.21 0.7442219543143076
EOD
$line5 << EOD
12.0 86.56 0.5437155769706071
24.0 80.91000000000001 0.8684993668736886
EOD
$line6 << EOD
12.0 87.07000000000001 0.6549704031818043
24.0 84.54 1.1692427550868352
EOD
$line7 << EOD
12.0 87.13 0.6415931517279768
24.0 83.47 0.8172847111818603
EOD
$line8 << EOD
12.0 87.07000000000001 0.6549704031818043
24.0 84.54 1.1692427550868352
EOD
$line9 << EOD
12.0 87.02 0.4061589034289156
24.0 81.30999999999999 2.512030807891079
EOD
$line10 << EOD
12.0 87.09 0.7721812469267647
24.0 83.41 0.7455155794072663
EOD
$line11 << EOD
12.0 86.79 0.545484913169945
24.0 83.28999999999999 0.725869169551778
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance, main.test.accuracy", \
     $line1 using ($1+(-0.39272727272727276)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false, main.test.accuracy", \
     $line2 using ($1+(-0.30545454545454553)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output, main.test.accuracy", \
     $line3 using ($1+(-0.21818181818181825)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1, main.test.accuracy", \
     $line4 using ($1+(-0.13090909090909092)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor, main.test.accuracy", \
     $line5 using ($1+(-0.04363636363636366)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random, main.test.accuracy", \
     $line6 using ($1+(0.043636363636363605)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#000000" title "relevance, scratch.test.accuracy", \
     $line7 using ($1+(0.13090909090909092)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#888888" title "relevance, classWeights false, scratch.test.accuracy", \
     $line8 using ($1+(0.21818181818181825)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#0072B2" title "relevance, place output, scratch.test.accuracy", \
     $line9 using ($1+(0.3054545454545456)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#D55E00" title "l1, scratch.test.accuracy", \
     $line10 using ($1+(0.39272727272727276)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#009E73" title "taylor, scratch.test.accuracy", \
     $line11 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#CC79A7" title "random, scratch.test.accuracy"
